"""Stores: opening places, reading, writing and checking."""
