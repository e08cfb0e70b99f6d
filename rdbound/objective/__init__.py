"""The one objective J = R + λ·D: data, distortions, the loop over levels and its cost."""
