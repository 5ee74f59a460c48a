"""A PDF as tests read it: what it draws, what its fonts say and the files it carries, unpacked."""

import re
import struct
import zlib


def streams_of(data: bytes) -> list[bytes]:
    """Every stream of a PDF, unpacked where packed. Cut by its own length: packed bytes may end in a line break of their own."""
    streams = []
    for head in re.finditer(rb"\d+ \d+ obj\s*<<((?:(?!endobj).)*?)>>\s*stream\r?\n", data, re.DOTALL):
        length = re.search(rb"/Length (\d+)", head[1])
        assert length is not None, "a stream says how long it is"
        stream = data[head.end():head.end() + int(length[1])]
        streams.append(zlib.decompress(stream) if b"/FlateDecode" in head[1] else stream)
    return streams


def text_of_pdf(data: bytes) -> str:
    """The words of a PDF whose fonts tell which letter each of their signs is."""
    streams = streams_of(data)
    letters = {
        int(sign, 16): bytes.fromhex(letter.decode()).decode("utf-16-be")
        for stream in streams if b"beginbfchar" in stream for sign, letter in re.findall(rb"<(\w{4})> <(\w+)>", stream)
    }
    said = []
    for stream in streams:
        for raw in re.findall(rb"\(((?:[^\\()]|\\.)*)\) Tj", stream, re.DOTALL):
            plain = re.sub(rb"\\(.)", lambda found: {b"r": b"\r", b"n": b"\n"}.get(found[1], found[1]), raw, flags=re.DOTALL)
            said.append("".join(letters.get(sign, "") for (sign,) in struct.iter_unpack(">H", plain)))
    return " ".join(said)
