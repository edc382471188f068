"""The network of a local stack: addresses, bridges, names, published ports and the way out."""
