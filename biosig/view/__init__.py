"""A local web page over recordings, embeddings and results (docs/view.md).

The server imports neither torch nor a model for recordings; the page's script and style lie in ``static/``.
"""
