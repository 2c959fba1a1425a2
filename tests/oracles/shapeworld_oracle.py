#!/usr/bin/env python3
"""ShapeWorld v1 a second time, from its specification and not from the C++: writes tests/oracles/shapeworld_expected.txt.

    python3 tests/oracles/shapeworld_oracle.py > tests/oracles/shapeworld_expected.txt

One line per profile, split and size: the CRC-32 of the RGB bytes of scenes 0 .. 11 one after the other, and the CRC-32 of a text that lists every
annotation, caption and question of these scenes. Seed 20261121; dense scenes with crowds; training with the held-out pairs. Needs numpy.
"""
import math
import zlib

import numpy as np

SEED = 20261121
SCENES = range(12)
COS = [math.floor(16384 * math.cos(math.radians(3 * k)) + 0.5) for k in range(120)]
assert (COS[10], COS[15], COS[24], COS[40]) == (14189, 11585, 5063, -8192)
CLASSES = "circle square triangle star".split()
COLOURS = "red orange yellow green cyan blue purple white".split()
SIZES = "small medium large".split()
TEXTURES = "plain gradient checkered striped noisy dotted".split()
NUMBERS = "zero one two three four five six seven eight nine ten eleven twelve".split()
RGB = [(220, 50, 47), (240, 140, 30), (235, 215, 50), (60, 170, 70), (40, 190, 200), (50, 90, 210), (150, 70, 190), (240, 240, 240)]
TINT = [(72, 80, 92), (96, 78, 70), (74, 88, 70), (48, 50, 64)]


def cos(k):
    return COS[k % 120]


def sin(k):
    return COS[(k + 90) % 120]


def philox(counter, key):
    c, k = list(counter), list(key)
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ k[0], b & 0xFFFFFFFF, (a >> 32) ^ c[3] ^ k[1], a & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


assert philox([0] * 4, [0] * 2) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]


class World:
    def __init__(self, profile, split):
        self.profile, self.split = profile, split
        self.domain = 0x53570000 | profile << 8 | split
        self.key = (SEED & 0xFFFFFFFF, SEED >> 32)

    def word(self, index, stream, n):
        return philox([n >> 2, stream, index, self.domain], self.key)[n & 3]

    def draw(self, index, stream, n, bound):
        return self.word(index, stream, n) * bound >> 32

    def scene(self, index):
        d = lambda stream, n, bound: self.draw(index, stream, n, bound)
        count = [1, 1 + d(0, 0, 4), 4 + d(0, 0, 9)][self.profile]
        scene = dict(index=index, texture=d(0, 1, 6), tint=d(0, 2, 4), orientation=d(1, 0, 4), scale=d(1, 1, 2), objects=[], crowd=[])
        for j in range(count):
            s = 16 + j
            shape, colour = d(s, 0, 4), d(s, 1, 8)
            if self.split == 0 and colour == (3 * shape + 1) % 8:
                colour = (colour + 1) % 8
            if self.profile == 2:
                q = d(s, 2, 8)
                size = 0 if q < 4 else 1 if q < 7 else 2
            else:
                size = d(s, 2, 3)
            base, span = [(112, 97), (224, 129), (384, 193)][size]
            r = base + d(s, 3, span)
            m = r >> 1 if self.profile == 2 else r + 16
            for a in range(8):
                cx, cy = m + d(s, 4 + 4 * a, 2049 - 2 * m), m + d(s, 5 + 4 * a, 2049 - 2 * m)
                near = False
                for o in scene["objects"]:
                    square, reach = (cx - o["cx"]) ** 2 + (cy - o["cy"]) ** 2, (r + o["r"]) ** 2
                    near |= 4 * square < reach if self.profile == 2 else 16 * square < 9 * reach
                if not near:
                    scene["objects"].append(dict(shape=shape, colour=colour, size=size, r=r, cx=cx, cy=cy, angle=d(s, 6 + 4 * a, 120)))
                    break
        if self.profile == 2 and d(8, 0, 8) == 0:
            x, y = 400 + d(8, 3, 1249), 400 + d(8, 4, 1249)
            for k in range(8):
                scene["crowd"].append(dict(shape=d(8, 1, 4), colour=d(8, 2, 8), r=80 + d(8, 5 + k, 33), angle=d(8, 13 + k, 120),
                                           cx=x + (220 * cos(15 * k) >> 14), cy=y + (220 * sin(15 * k) >> 14)))
        return scene

    def background(self, scene, size):
        unit = 2048 // size
        X, Y = np.meshgrid(np.arange(size) * unit + unit // 2, np.arange(size) * unit + unit // 2)
        P = 7 + scene["scale"]
        co = [X, Y, (X + Y) >> 1, (X - Y + 2048) >> 1][scene["orientation"]]
        name = TEXTURES[scene["texture"]]
        if name == "plain":
            offset = np.zeros_like(X)
        elif name == "gradient":
            offset = ((co * 48) >> 11) - 24
        elif name == "checkered":
            offset = np.where(((X >> P) + (Y >> P)) % 2 == 1, 16, -16)
        elif name == "striped":
            offset = np.where((co >> P) % 2 == 1, 16, -16)
        elif name == "noisy":
            cells = {}
            offset = np.zeros_like(X)
            for i in range(size):
                for j in range(size):
                    cell = int(X[i, j] >> 6 | (Y[i, j] >> 6) << 8)
                    if cell not in cells:
                        cells[cell] = (philox([cell, 2, scene["index"], self.domain], self.key)[0] * 49 >> 32) - 24
                    offset[i, j] = cells[cell]
        else:
            q = 2 ** (P + 1)
            offset = np.where((X % q - q // 2) ** 2 + (Y % q - q // 2) ** 2 <= (48 << scene["scale"]) ** 2, 20, -8)
        return np.stack([np.clip(channel + offset, 0, 255) for channel in TINT[scene["tint"]]], axis=-1)


def covered(o, size):
    """Samples inside, 0 .. 16, of every pixel."""
    unit = 2048 // size
    at = np.array([x * unit + unit * (2 * j + 1) // 8 for x in range(size) for j in range(4)], dtype=np.int64)
    px, py = np.meshgrid(at - o["cx"], at - o["cy"])
    r, a = o["r"], o["angle"]
    along = lambda t: px * sin(t) - py * cos(t)
    if CLASSES[o["shape"]] == "circle":
        inside = px ** 2 + py ** 2 <= r * r
    elif CLASSES[o["shape"]] == "square":
        inside = (abs(px * cos(a) + py * sin(a)) <= 11585 * r) & (abs(-px * sin(a) + py * cos(a)) <= 11585 * r)
    elif CLASSES[o["shape"]] == "triangle":
        inside = np.all([along(a + 20 + 40 * k) <= 8192 * r for k in range(3)], axis=0)
    else:
        inside = np.sum([along(a + 24 * k) > 5063 * r for k in range(5)], axis=0) <= 1
    return inside.reshape(size, 4, size, 4).sum(axis=(1, 3))


def render(world, scene, size):
    picture, front, notes = world.background(scene, size), np.full((size, size), -1), []

    def lay(o, slot, mask):
        nonlocal picture
        c = covered(o, size)[..., None]
        picture = (picture * (16 - c) + np.array(RGB[o["colour"]]) * c + 8) >> 4
        front[c[..., 0] >= 8] = slot
        return mask | (c[..., 0] >= 8)

    groups = ([(scene["crowd"], True)] if scene["crowd"] else []) + [([o], False) for o in scene["objects"]]
    for slot, (members, crowd) in enumerate(groups):
        mask = np.zeros((size, size), bool)
        for o in members:
            mask = lay(o, slot, mask)
        cut = any(o["cx"] - o["r"] < 0 or o["cy"] - o["r"] < 0 or o["cx"] + o["r"] > 2048 or o["cy"] + o["r"] > 2048 for o in members)
        notes.append((slot, members[0]["shape"], mask, cut, crowd))
    lines = []
    for slot, shape, mask, cut, crowd in notes:
        area, visible = int(mask.sum()), int((front == slot).sum())
        if area:
            ys, xs = np.nonzero(mask)
            lines.append(f"{shape} {xs.min()} {ys.min()} {xs.max() + 1} {ys.max() + 1} {area} {visible} {int(4 * visible < area)} {int(cut)} {int(crowd)}\n")
    return picture.astype(np.uint8), "".join(lines)


def article(text):
    return ("an " if text.startswith("orange") else "a ") + text


def relation(a, b):
    dx, dy = b["cx"] - a["cx"], b["cy"] - a["cy"]
    if abs(dx) >= abs(dy):
        return "left of" if dx >= 0 else "right of"
    return "above" if dy > 0 else "below"


def words(world, scene):
    objects, i = scene["objects"], scene["index"]
    name = lambda o: CLASSES[o["shape"]]
    plain = lambda o: f"{COLOURS[o['colour']]} {name(o)}"
    first, ground = objects[0], f" on a {TEXTURES[scene['texture']]} background"
    sized = f"a {SIZES[first['size']]} {plain(first)}"
    template = world.draw(i, 64, 0, 5)
    if template == 3 and len(objects) == 1:
        template = 1
    if template == 3:
        caption = f"{article(plain(first))} {relation(first, objects[1])} {article(plain(objects[1]))}"
    else:
        number = f"{NUMBERS[len(objects)]} shape{'' if len(objects) == 1 else 's'}{ground}"
        caption = [article(plain(first)), sized, sized + ground, "", number][template]

    alone = [o for o in objects if sum(other["shape"] == o["shape"] for other in objects) == 1]
    forms = [None, ("how many shapes", NUMBERS[len(objects)]), None, None]
    if alone:
        o = alone[world.word(i, 65, 1) % len(alone)]
        forms[0] = (f"what colour is the {name(o)}", COLOURS[o["colour"]])
    if len(alone) >= 2:
        true = relation(alone[0], alone[1])
        odd = world.word(i, 65, 2) % 2 == 1
        asked = true if odd else {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}[true]
        forms[2] = (f"is the {name(alone[0])} {asked} the {name(alone[1])}", "yes" if odd else "no")
    if len(objects) == 2 and len(alone) == 2:
        forms[3] = (f"what shape is {relation(objects[0], objects[1])} the {name(objects[1])}", name(objects[0]))
    form = world.draw(i, 65, 0, 4)
    while forms[form] is None:
        form = (form + 1) % 4
    return f"{caption}\n{forms[form][0]}? {forms[form][1]}\n"


for p, profile in enumerate(("single", "scene", "dense")):
    for s, split in enumerate(("train", "val", "test", "demo")):
        world = World(p, s)
        scenes = [world.scene(i) for i in SCENES]
        for size in (32, 64, 128):
            pixels, text = b"", ""
            for scene in scenes:
                picture, notes = render(world, scene, size)
                pixels += picture.tobytes()
                text += notes + words(world, scene)
            print(f"{profile} {split} {size} {zlib.crc32(pixels):08x} {zlib.crc32(text.encode()):08x}")
