"""The reference run as a plain PyTorch program; with the word "compile", its model by torch.compile."""

import math
import sys

import torch

torch.manual_seed(0)
x = torch.linspace(-math.pi, math.pi, 2000)
y = torch.sin(x)
features = x.unsqueeze(-1).pow(torch.tensor([1, 2, 3]))

model = torch.nn.Sequential(torch.nn.Linear(3, 1), torch.nn.Flatten(0, 1))
predict = torch.compile(model) if "compile" in sys.argv[1:] else model
loss_function = torch.nn.MSELoss(reduction="sum")
optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)

for t in range(2000):
    loss = loss_function(predict(features), y)
    if t % 100 == 99:
        print(t, loss.item())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

line = model[0]
w = line.weight[0]
print(f"Result: y = {line.bias.item()} + {w[0].item()} x + {w[1].item()} x^2 + {w[2].item()} x^3")
