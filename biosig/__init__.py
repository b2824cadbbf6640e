"""Biosig: one foundation-model platform for ECG, PPG and EEG.

The public interface is in this namespace; everything is imported on first use, so that opening a shard index does
not import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from biosig.embedding import embed
    from biosig.estimators.embedding import EmbeddingClassifier, EmbeddingRegressor
    from biosig.estimators.features import FeatureTransformer
    from biosig.estimators.finetuned import FineTunedClassifier, FineTunedRegressor
    from biosig.estimators.transformer import EmbeddingTransformer
    from biosig.models.listing import ListedModel, list_models
    from biosig.models.load import build_model, load_model
    from biosig.models.model import Model
    from biosig.models.module_contract import ModuleContract
    from biosig.models.wrap import wrap
    from biosig.person_level import pool_embeddings, pool_predictions
    from biosig.reading import read
    from biosig.recording import Annotation, Channel, Recording, Stream, Subject
    from biosig.shards.dataset import ShardDataset, open_shards

__version__ = "0.1.0"

_HOME = {
    "Annotation": "biosig.recording",
    "Channel": "biosig.recording",
    "EmbeddingClassifier": "biosig.estimators.embedding",
    "EmbeddingRegressor": "biosig.estimators.embedding",
    "EmbeddingTransformer": "biosig.estimators.transformer",
    "FeatureTransformer": "biosig.estimators.features",
    "FineTunedClassifier": "biosig.estimators.finetuned",
    "FineTunedRegressor": "biosig.estimators.finetuned",
    "ListedModel": "biosig.models.listing",
    "Model": "biosig.models.model",
    "ModuleContract": "biosig.models.module_contract",
    "Recording": "biosig.recording",
    "ShardDataset": "biosig.shards.dataset",
    "Stream": "biosig.recording",
    "Subject": "biosig.recording",
    "build_model": "biosig.models.load",
    "embed": "biosig.embedding",
    "list_models": "biosig.models.listing",
    "load_model": "biosig.models.load",
    "open_shards": "biosig.shards.dataset",
    "pool_embeddings": "biosig.person_level",
    "pool_predictions": "biosig.person_level",
    "read": "biosig.reading",
    "wrap": "biosig.models.wrap",
}

__all__ = [
    "Annotation",
    "Channel",
    "EmbeddingClassifier",
    "EmbeddingRegressor",
    "EmbeddingTransformer",
    "FeatureTransformer",
    "FineTunedClassifier",
    "FineTunedRegressor",
    "ListedModel",
    "Model",
    "ModuleContract",
    "Recording",
    "ShardDataset",
    "Stream",
    "Subject",
    "build_model",
    "embed",
    "list_models",
    "load_model",
    "open_shards",
    "pool_embeddings",
    "pool_predictions",
    "read",
    "wrap",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'biosig' has no attribute '{name}'")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
