"""`mm7 encode`: the HTTP request that the worker would send for a command."""

from gateway import outbound
from gateway.accounts import Account
from gateway.contract import attachments, commands, submission
from gateway.contract.commands import BadCommand
from gateway.contract.problems import Problem
from gateway.stores.media import MediaNotFound, MediaStore, MediaUnavailable

DRY_RUN = Account.model_validate(
    {"name": "dry-run", "profile": "generic", "outbound": {"url": "http://mmsc.example/mm7"}}
)


async def encode(body: bytes, account: Account, media_url: str) -> tuple[bytes, list[str]]:
    """Head and body, byte for byte, and what the provider will drop. Raises BadCommand with every problem."""
    command = commands.parse(body, None, {}, None)
    contents, problems = [], []
    for number, part in enumerate(command.parts):
        content = attachments.inline_content(part)
        if content is None:
            try:
                content = await MediaStore(media_url).get(part.url or "")
            except (MediaNotFound, MediaUnavailable) as error:
                problems.append(Problem(path=f"parts[{number}].url", problem=str(error)))
                continue
        contents.append(content)
    if problems:
        raise BadCommand(problems)
    return outbound.build(command, account, contents).as_file(), submission.warnings(command, account)
