"""Reading a level: cells become pieces, pieces and links become batches."""
