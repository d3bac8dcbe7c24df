"""Espalier's training process: trains and exports text classifiers by the contract in docs/training-process.md."""
