"""``huiqiao credit …``: train the model, score firms, turn the switch for banks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

import click

from app.core.embedded import servers
from app.core.paths import ReadableError
from app.core.settings import Settings, load_settings
from app.credit.rules import PARAMETERS, Visible

Prepare = Callable[[Settings], None]
"""Makes database, storage and all rooms ready; the command line knows how, a room does not."""


def add_to(group: click.Group, prepare: Prepare) -> None:
    """Adds ``credit`` to the command line."""

    @contextmanager
    def portal() -> Iterator[Settings]:
        with servers(load_settings(), with_redis=False) as ready:
            prepare(ready)
            yield ready

    @group.group("credit")
    def credit() -> None:
        """Credit profiles: the model, the scores, what banks see of them."""

    @credit.command()
    def train() -> None:
        """Train the model in a process of its own and register it. Where none scores it scores every consenting firm at once;
        otherwise two people decide about it.

        It learns on a synthetic city of every source, which every page then says; a model of real firms is trained on the page.
        """
        from app.core.context import Context
        from app.credit import model_service

        with portal() as settings:
            click.echo(model_service.train_model(settings, settings.model_path).rstrip())
            model = model_service.register_model(Context.of_system("cli"), settings.model_path)
            if not model.active:
                click.echo(f"Model {model.version} (learned on {model.trained_on} firms) is registered as {model.state}; another "
                           "one scores. Two people decide about it on the page of models.")
                return
            click.echo(f"Model {model.version} (learned on {model.trained_on} firms) scores.")
            scored, chosen = score_firms()
            click.echo(f"{scored} of {chosen} consenting firms have a score.")

    @credit.command()
    @click.option("--all", "everybody", is_flag=True, help="Every firm whose consent is in force.")
    @click.option("--firm", "firms", multiple=True, type=click.UUID, help="One firm, by its id; may be repeated.")
    def score(everybody: bool, firms: tuple[UUID, ...]) -> None:
        """Compute profiles now, in this process."""
        from app.core.context import Context
        from app.credit import model_service

        if everybody == bool(firms):
            raise click.UsageError("Say either --all or --firm.")
        with portal() as settings:
            model_service.ensure_model(Context.of_system("cli"), settings)
            scored, chosen = score_firms(None if everybody else list(firms))
            click.echo(f"{scored} of {chosen} firms have a score.")

    @credit.command()
    @click.argument("setting", type=click.Choice([visible.value for visible in Visible]))
    def visible(setting: str) -> None:
        """Set what a bank sees of a profile: rank, grade or score."""
        from app.core.context import Context
        from app.credit import model_service

        with portal():
            model_service.set_visible(Context.of_system("cli"), Visible(setting))
        click.echo(f"Banks see the {setting} from now on.")


def score_firms(firm_ids: list[UUID] | None = None) -> tuple[int, int]:
    """Computes profiles in chunks, each in its own transaction; ``None``: every firm whose consent is in force.

    Returns (firms with a score afterwards, firms looked at). Raises ``ReadableError`` without a model.
    """
    from app.core.context import Context
    from app.core.permissions import Permission
    from app.core.use_case import reading
    from app.credit.queries import active_model, consenting_firms
    from app.credit.service import compute_profiles

    ctx = Context.of_system("cli")
    with reading(ctx, Permission.PROFILE_COMPUTE):
        if active_model() is None:
            raise ReadableError("No scoring model is registered; run: huiqiao credit train.")
        chosen = consenting_firms() if firm_ids is None else firm_ids
    step = PARAMETERS.chunk
    chunks = [chosen[start:start + step] for start in range(0, len(chosen), step)]
    return sum(compute_profiles(ctx, chunk) for chunk in chunks), len(chosen)
