"""Makes the TLS context of the connection to the broker."""

import ssl

from edge_llm.config import MqttSettings
from edge_llm.errors import ConfigError


def tls_context(settings: MqttSettings) -> ssl.SSLContext:
    """Make a context that verifies the broker's certificate and name.

    Raises:
        ConfigError: a certificate or key cannot be read, or the key is encrypted.
    """

    def no_passphrase() -> str:
        """Answer OpenSSL, which would ask at the terminal."""
        raise ConfigError(
            f"mqtt.key_file {settings.key_file} is encrypted, and nobody is there to type its passphrase:"
            " decrypt it (openssl pkey -in KEY -out PLAIN_KEY), and let the service's user alone read it"
        )

    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        if settings.cert_file:
            context.load_cert_chain(settings.cert_file, settings.key_file, no_passphrase)
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(
            str(file) for file in (settings.ca_file, settings.cert_file, settings.key_file) if file
        )
        raise ConfigError(f"mqtt: cannot use {files} for TLS: {error}") from error
    return context
