"""Result folders: predictions, scores, subgroups, comparisons and reports."""
