"""Attacks by reconstruction: the latents whose images come closest to a query."""
