"""Attacks on the discriminator's scores."""
