"""What of a store becomes which precomputed source of Neuroglancer, read chunk by chunk."""
