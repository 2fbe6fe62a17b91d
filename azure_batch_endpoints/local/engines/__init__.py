"""Scoring engines, which run mini-batches in worker processes: `base` is the contract, `process` this machine's."""
