"""Reads MNIST from a folder with the four IDX files under their usual names, as kindling/data does."""
import torch


def read_mnist(folder, train=True):
    def read(kind, header):
        with open(f"{folder}/{'train' if train else 't10k'}-{kind}-ubyte", "rb") as file:
            return torch.frombuffer(bytearray(file.read()[header:]), dtype=torch.uint8)

    return read("images-idx3", 16).reshape(-1, 28, 28), read("labels-idx1", 8)
