"""Saving layers: each as a store, several as a collection; a layer that streams as the whole store it stands for."""
