"""The gates of a service, and how many containers it is to have."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches

from zun_compose.errors import Fault, SpecError
from zun_compose.labels import CONFIG_FILES, WORKING_DIR
from zun_compose.model import NOT_CARRIED, Closed, Condition, RestartName, Service, Stack
from zun_compose.plan.steps import Gate, Step, Verb
from zun_compose.plan.world import World
from zun_compose.record import replace


def gates_of(service: Service, within: Collection[str]) -> tuple[Gate, ...]:
    """Return the gates that must open before a container of `service` starts.

    Only dependencies in `within` and externals count: `--no-deps` leaves the others out.
    """
    return tuple(
        Gate(
            dependent=service.name,
            dependency=dependency.on,
            condition=dependency.condition,
            timeout=dependency.timeout,
            retries=dependency.retries,
            replicas=dependency.replicas,
            required=dependency.required,
            external=dependency.external,
            mark=dependency.mark,
        )
        for dependency in service.dependencies
        if dependency.external or dependency.on in within
    )


def wait_gate(stack: Stack, service: Service) -> Gate:
    """Return what `--wait` asks of a service: a job's end, of all others `ready`.

    The end must be a good one, unless those who wait for the job all take any.
    """
    condition = Condition.READY
    if service.job:
        edges = (edge for other in stack.services.values() for edge in other.dependencies)
        asked = {edge.condition for edge in edges if edge.on == service.name and edge.condition.completion}
        any_end = asked == {Condition.COMPLETED}
        condition = Condition.COMPLETED if any_end else Condition.COMPLETED_SUCCESSFULLY
    return Gate(dependent="", dependency=service.name, condition=condition)


def wait_step(gate: Gate) -> Step:
    """Return the step that waits for one gate and does nothing else."""
    what = gate.condition.value.removeprefix("service_")
    return Step(
        id=f"wait {gate.dependency} {what}",
        verb=Verb.WAIT,
        subject=gate.dependency,
        service=None if gate.external else gate.dependency,
        cause=f"until {what}",
        gates=(gate,),
    )


def scaled(stack: Stack, scale: Mapping[str, int]) -> Stack:
    """Return the stack with these replica counts; raises SpecError for unknown services."""
    if not scale:
        return stack
    faults = [
        Fault(code="spec.unknown_service", what=f'cannot scale "{name}": no such service')
        for name in scale
        if name not in stack.services
    ]
    for name, count in scale.items():
        service = stack.services.get(name)
        if service is not None and service.container_name and count > 1:
            what = f'cannot scale "{name}" to {count}: it has a fixed container_name'
            faults.append(Fault(code="spec.container_name", what=what, mark=service.mark))
    if faults:
        raise SpecError(faults)
    services = {
        name: replace(service, replicas=scale.get(name, service.replicas))
        for name, service in stack.services.items()
    }
    return replace(stack, services=services)


def refuse_uncarried(stack: Stack, services: Collection[str]) -> None:
    """Raise SpecError for what these services ask for and we cannot do."""
    faults = [fault for name, found in stack.uncarried.items() if name in services for fault in found]
    if faults:
        raise SpecError(faults)


def refuse_undoable(stack: Stack, world: World, services: Collection[str]) -> None:
    """Raise SpecError for what these services ask for and this engine cannot do."""
    faults = [
        Fault(
            code="plan.unsupported",
            what=f'service "{name}" cannot run on the {world.engine.driver} engine: {reason}',
            mark=stack.services[name].mark if name in stack.services else None,
        )
        for name, reasons in world.refused.items()
        if name in services
        for reason in reasons
    ]
    faults += [
        Fault(
            code=NOT_CARRIED,
            what=f'service "{name}": {one.kind} "{one.source}" {one.note}',
            mark=one.mark,
            hint=f"take the {one.kind} from a file, or give it another target",
        )
        for name, one in closed_here(stack, world, services)
        if one.refused
    ]
    if faults:
        raise SpecError(faults)


def closed_here(stack: Stack, world: World, services: Collection[str]) -> Iterator[tuple[str, Closed]]:
    """Yield, with the service, the configs and secrets that this engine cannot put in as asked for."""
    if not world.engine.copies_files:
        for name, found in stack.closed.items():
            if name in services:
                yield from ((name, one) for one in found)


def refuse_unknown(stack: Stack, services: Iterable[str]) -> None:
    """Raise SpecError for names that are no service of the stack, with near matches."""
    faults = []
    for name in services:
        if name not in stack.services:
            near = get_close_matches(name, stack.services, 1)
            hint = f'did you mean "{near[0]}"?' if near else ""
            faults.append(Fault(code="spec.unknown_service", what=f'no such service: "{name}"', hint=hint))
    if faults:
        raise SpecError(faults)


def refuse_impossible_gates(stack: Stack, services: Collection[str]) -> None:
    """Raise SpecError for gates that can never open by what the file alone says."""
    faults = []
    for name in stack.services:
        if name not in services:
            continue
        for dependency in stack.services[name].dependencies:
            target = stack.services.get(dependency.on)
            if target is None or not dependency.condition.completion:
                continue
            if target.restart.name in (RestartName.ALWAYS, RestartName.UNLESS_STOPPED):
                what = (
                    f'"{name}" waits for "{target.name}" to complete, '
                    f"but its restart policy {target.restart.name.value} never lets it end"
                )
                hint = f'give "{target.name}" restart: "no" or on-failure'
                fault = Fault(code="plan.never_completes", what=what, mark=dependency.mark, hint=hint)
                faults.append(fault)
    if faults:
        raise SpecError(faults)


def refuse_other_folder(stack: Stack, world: World, *, adopt: bool = False) -> None:
    """Raise SpecError where the stack's containers came from another folder than this file's.

    Two files of the same name are two stacks: what one of them does must not hit the other. A name
    that the user gave, or `adopt`, says that it is meant.
    """
    if adopt or stack.named or not stack.working_dir:
        return
    for seen in world.containers:
        folder = seen.labels.get(WORKING_DIR)
        if folder and folder != stack.working_dir:
            files = seen.labels.get(CONFIG_FILES, "")
            what = f'stack "{stack.name}" was brought up from another folder, {folder} ({files})'
            hint = f"name it with -n {stack.name} if you mean that one, or give this one another name"
            raise SpecError([Fault(code="plan.other_folder", what=what, hint=hint)])
