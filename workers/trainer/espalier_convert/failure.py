"""The one error that crosses to Node; its kinds are those of artifacts/errors.ts."""

# Nobody should be told to open a file that was refused: whoever trusts its origin can save it anew elsewhere.
ELSEWHERE = "take a model that has model.safetensors, or convert this one on a machine that you trust with it (save_pretrained)"


class ConvertError(Exception):
    def __init__(self, kind: str, message: str, fix: str | None = None) -> None:
        # Names and findings in it are a stranger's text: nothing that would steer a terminal.
        super().__init__("".join(letter if letter.isprintable() else "?" for letter in message))
        self.kind = kind
        self.fix = fix


def unsafe(message: str) -> ConvertError:
    return ConvertError("UnsafeModel", message, ELSEWHERE)
