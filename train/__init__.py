"""The cleaned corpus to a checkpoint: tokenizer, packing, model, loop, export."""
