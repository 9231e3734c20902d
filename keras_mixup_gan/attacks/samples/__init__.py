"""Attacks on generated samples."""
