"""The API of Ollama: models and chat."""
