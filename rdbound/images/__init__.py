"""What photographs need: files, sets by name, training crops.

    images = open_images("folder", "~/photographs").take(10)
    images[0]  # uint8 [H, W, 3]

Images are uint8 [H, W, 3] until a datum is made of them (:mod:`rdbound.objective.datum`).
"""
