"""How the connection to the broker is encrypted, and both ends are known."""

import ssl

from edge_llm.config import MqttSettings
from edge_llm.errors import ConfigError


def tls_context(settings: MqttSettings) -> ssl.SSLContext:
    """A context that verifies the broker, by name too.

    Raises:
        ConfigError: a certificate or key cannot be read.
    """
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        if settings.cert_file:
            context.load_cert_chain(settings.cert_file, settings.key_file)
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(
            str(file) for file in (settings.ca_file, settings.cert_file, settings.key_file) if file
        )
        raise ConfigError(f"mqtt: cannot use {files} for TLS: {error}") from error
    return context
