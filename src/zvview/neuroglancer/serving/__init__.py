"""The live server: precomputed sources answered from the chunks of open stores, on this machine only."""
