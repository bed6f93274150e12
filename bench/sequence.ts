/** Whole training steps of the sequence models: a character GPT and a character LSTM. */
import { arange, manualSeed, nn, randint, type Tensor } from "kindling";
import { Adam } from "kindling/optim";
import type { Workload } from "./harness.js";

/** A pre-norm transformer block with causal self-attention. */
class Block extends nn.Module {
  norm1: nn.LayerNorm;
  qkv: nn.Linear;
  proj: nn.Linear;
  norm2: nn.LayerNorm;
  fc1: nn.Linear;
  fc2: nn.Linear;
  readonly heads: number;

  constructor(width: number, heads: number) {
    super();
    this.heads = heads;
    this.norm1 = new nn.LayerNorm(width);
    this.qkv = new nn.Linear(width, 3 * width);
    this.proj = new nn.Linear(width, width);
    this.norm2 = new nn.LayerNorm(width);
    this.fc1 = new nn.Linear(width, 4 * width);
    this.fc2 = new nn.Linear(4 * width, width);
  }

  forward(x: Tensor): Tensor {
    const [B, T, D] = x.shape as [number, number, number];
    const [q, k, v] = this.qkv(this.norm1(x))
      .split(D, { dim: -1 })
      .map((t) => t.reshape([B, T, this.heads, D / this.heads]).transpose(1, 2)) as [Tensor, Tensor, Tensor];
    const attended = nn.functional.scaledDotProductAttention(q, k, v, { isCausal: true });
    const y = x.add(this.proj(attended.transpose(1, 2).reshape([B, T, D])));
    return y.add(this.fc2(nn.functional.gelu(this.fc1(this.norm2(y)))));
  }
}

class CharGpt extends nn.Module {
  tokens: nn.Embedding;
  positions: nn.Embedding;
  blocks: nn.Sequential;
  norm: nn.LayerNorm;
  head: nn.Linear;

  constructor(vocabulary: number, width: number, heads: number, depth: number, length: number) {
    super();
    this.tokens = new nn.Embedding(vocabulary, width);
    this.positions = new nn.Embedding(length, width);
    this.blocks = new nn.Sequential(...Array.from({ length: depth }, () => new Block(width, heads)));
    this.norm = new nn.LayerNorm(width);
    this.head = new nn.Linear(width, vocabulary);
  }

  forward(x: Tensor): Tensor {
    const embedded = this.tokens(x).add(this.positions(arange(x.shape[1] as number)));
    return this.head(this.norm(this.blocks(embedded)));
  }
}

class CharLstm extends nn.Module {
  embed: nn.Embedding;
  lstm: nn.LSTM;
  head: nn.Linear;

  constructor(vocabulary: number) {
    super();
    this.embed = new nn.Embedding(vocabulary, 64);
    this.lstm = new nn.LSTM(64, 128, { batchFirst: true });
    this.head = new nn.Linear(128, vocabulary);
  }

  forward(x: Tensor): Tensor {
    const [out] = this.lstm(this.embed(x));
    return this.head(out);
  }
}

function stepOf(model: nn.Module, batch: number): () => void {
  const x = randint(65, [batch, 64]);
  const y = randint(65, [batch, 64]);
  const optimizer = new Adam(model.parameters(), { lr: 1e-3 });
  return () => {
    optimizer.zeroGrad();
    nn.functional.crossEntropy(model(x).reshape([-1, 65]), y.reshape([-1])).backward();
    optimizer.step();
  };
}

const PYTORCH_STEP = `
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
def step():
    optimizer.zero_grad()
    F.cross_entropy(model(x).reshape(-1, 65), y.reshape(-1)).backward()
    optimizer.step()
`;

export const sequence: Workload[] = [
  {
    name: "char-gpt",
    kindling: () => {
      manualSeed(0);
      return stepOf(new CharGpt(65, 128, 4, 2, 64), 16);
    },
    pytorch: `
class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.register_buffer("mask", torch.triu(torch.full((64, 64), float("-inf")), 1))
    def forward(self, x):
        B, T, D = x.shape
        q, k, v = [t.reshape(B, T, self.heads, D // self.heads).transpose(1, 2) for t in self.qkv(self.norm1(x)).split(D, dim=-1)]
        scores = q @ k.transpose(-2, -1) * (D // self.heads) ** -0.5 + self.mask[:T, :T]
        y = x + self.proj((F.softmax(scores, dim=-1) @ v).transpose(1, 2).reshape(B, T, D))
        return y + self.fc2(F.gelu(self.fc1(self.norm2(y))))
class CharGpt(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(65, 128), nn.Embedding(64, 128)
        self.blocks = nn.Sequential(Block(128, 4), Block(128, 4))
        self.norm, self.head = nn.LayerNorm(128), nn.Linear(128, 65)
    def forward(self, x):
        return self.head(self.norm(self.blocks(self.tokens(x) + self.positions(torch.arange(x.shape[1])))))
model, x, y = CharGpt(), torch.randint(65, (16, 64)), torch.randint(65, (16, 64))
${PYTORCH_STEP}`,
  },
  {
    name: "char-lstm",
    kindling: () => {
      manualSeed(0);
      return stepOf(new CharLstm(65), 32);
    },
    pytorch: `
class CharLstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.lstm, self.head = nn.Embedding(65, 64), nn.LSTM(64, 128, batch_first=True), nn.Linear(128, 65)
    def forward(self, x):
        return self.head(self.lstm(self.embed(x))[0])
model, x, y = CharLstm(), torch.randint(65, (32, 64)), torch.randint(65, (32, 64))
${PYTORCH_STEP}`,
  },
];
