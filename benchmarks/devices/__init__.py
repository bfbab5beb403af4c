"""Sentences to a node that moves the devices of a simulated house: how soon, how right, what idling takes."""
