"""The demo: a broker, a simulated house and the service, started and ended together."""
