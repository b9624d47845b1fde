"""Changes of many objects of a store as one: all of them appear, durably and at once, or none."""
