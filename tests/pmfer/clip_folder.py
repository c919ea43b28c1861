"""A CLIP with random weights and a real tokenizer, small enough for tests, in the format of `transformers`."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

from pmfer.prompts import OPENING, PHRASES

MEAN, STD = (0.48, 0.46, 0.41), (0.27, 0.26, 0.28)


def write_clip(folder: Path, merges: int = 700, max_tokens: int = 77) -> Path:
    """Write a checkpoint: pictures of 32 px, patches of 8 px, a tokenizer with so many byte pair merges."""
    torch.manual_seed(0)
    tokenizer = _tokenizer(merges, max_tokens)
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": max_tokens,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    vision = {
        "hidden_size": 24,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "image_size": 32,
        "patch_size": 8,
    }
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=16)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_mean": MEAN, "image_std": STD}))
    return folder


def _tokenizer(merges: int, max_tokens: int) -> CLIPTokenizer:
    """CLIP's own tokenizer class, with byte pairs learnt from the phrases."""
    letters = pre_tokenizers.ByteLevel.alphabet()
    learnt = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    learnt.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(
        vocab_size=2 * len(letters) + merges, end_of_word_suffix="</w>", initial_alphabet=letters, show_progress=False
    )
    learnt.train_from_iterator([OPENING, "and ,", *(w for phrase in PHRASES for w in phrase.wordings)], trainer)
    model = json.loads(learnt.to_str())["model"]
    pairs = [tuple(pair) for pair in model["merges"]][:merges]
    tokens = [*sorted(letters), *(f"{letter}</w>" for letter in sorted(letters)), *("".join(pair) for pair in pairs)]
    tokens = [*dict.fromkeys(tokens), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocabulary, merges=pairs, model_max_length=max_tokens)
