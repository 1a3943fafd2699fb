"""The stages of a cell, each of which takes what the one before has returned; what they find goes into the record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from bench.execution.messages.job import Job
from bench.execution.worker.evaluate import device_memory, evaluate, keep_model, model_facts
from bench.execution.worker.profiling import Subject, first_call, measure_inference
from bench.execution.worker.progress import Reporter
from bench.execution.worker.record import Later, Record
from bench.execution.worker.setup import Clock, Ready, make_ready, open_machine, read_data
from bench.execution.worker.train import train
from bench.measure.proc_status import resident_mib
from bench.measure.sampling import ENOUGH
from bench.measure.system.cpus import Threads
from bench.results.notice import Notice
from bench.results.schema import InferenceProfile, Memory, Timings
from bench.results.settings import CellContext
from bench.training import device as devices
from bench.training.checkpoint import Checkpoint
from bench.training.loop import TrainCallbacks
from bench.training.warmup import warm_up

__all__ = ["run"]


def run(job: Job, threads: Threads, record: Record, reporter: Reporter) -> Later | None:
    """Run all stages.

    Returns what is to be done once the outcome is stored, where the study wants it: keeping the weights, and the
    inference profile.
    """
    cell = job.cell
    record.add(Memory(baseline_mib=resident_mib()))
    machine = open_machine(job, threads)
    record.add(machine.context)
    clock = Clock(machine.device)
    reporter.phase("data")
    data = read_data(job)
    record.add(Timings(data_seconds=clock.lap()))
    reporter.phase("model")
    ready = make_ready(job, machine, data)
    record.add(Timings(model_seconds=clock.lap()))
    subject = _subject(ready, reporter)
    if job.round > 0 and cell.training and cell.train.compile:  # as in the first round
        ready.built.module.backbone.compile()
    if not cell.training and job.round == 0:
        record.add(model_facts(ready))
    if not cell.training or job.round > 0:
        return _profile(ready, subject, record)
    _warm_up(ready, clock, record, reporter)
    _train_and_test(ready, clock, record, reporter)
    return _afterwards(ready, subject, record)


def _subject(ready: Ready, reporter: Reporter) -> Subject:
    """What is profiled later; its first call comes before anything else has run in this process.

    After a training no call is a first one.
    """
    job, cell = ready.job, ready.job.cell
    module, first_round = ready.built.module, ready.job.round == 0
    subject = Subject(module, ready.test, ready.device, ready.precision, trained=cell.training, compared=first_round)
    if cell.training and first_round and job.measure.inference:
        reporter.phase("warm-up")
        subject = replace(subject, cold_start=first_call(subject, job.measure))
        devices.reset_peak(ready.device)
    return subject


def _warm_up(ready: Ready, clock: Clock, record: Record, reporter: Reporter) -> None:
    spec, module = ready.job.cell.train, ready.built.module
    reporter.phase("compile" if spec.compile else "warm-up")
    if spec.compile:
        module.backbone.compile()
    made = warm_up(
        module,
        ready.train,
        spec,
        device=ready.device,
        precision=ready.precision,
        learns=ready.job.cell.regime != "frozen",
        inference_batch=ready.inference_batch,
        compiled=lambda: reporter.phase("warm-up"),
    )
    seconds = clock.lap()
    if spec.compile:
        record.add(Timings(compile_seconds=made.compiling))
        seconds -= made.compiling
    record.add(Timings(warmup_seconds=seconds, warmup_passes=made.passes))
    if not made.steady and len(made.passes) >= ENOUGH:  # fewer do not show it
        record.notify(Notice.of("warmup_not_steady", passes=len(made.passes)))


def _train_and_test(ready: Ready, clock: Clock, record: Record, reporter: Reporter) -> None:
    reporter.phase("train")
    record.add(ready.settings)
    checkpoint = _checkpoint(ready.job)
    callbacks = TrainCallbacks(reporter.epoch, reporter.step)
    trained = train(ready, clock, callbacks, checkpoint, on_settings=record.add)
    record.add(trained.settings)
    record.add(trained.timings)
    _note_threads(ready, trained.threads, record)
    record.trained(trained.result.best_epoch, len(trained.result.history))
    reporter.phase("evaluate")
    tested = evaluate(ready, clock, trained)
    record.add(tested.timings)
    record.add(tested.memory)
    record.add(tested.model)
    record.tested(tested.metrics, tested.confusion)
    if checkpoint is not None:
        checkpoint.remove()


def _note_threads(ready: Ready, found: tuple[int, int], record: Record) -> None:
    """Record the threads that torch had at the beginning and at the end, and say so where the model changed them."""
    record.add(CellContext(threads_found=found))
    if set(found) != {ready.threads}:
        begin, end = found
        record.notify(Notice.of("threads_changed", threads=ready.threads, begin=begin, end=end))


def _checkpoint(job: Job) -> Checkpoint | None:
    every = job.cell.train.checkpoint
    if every is None:
        return None
    return Checkpoint(job.folder / "checkpoint.pt", f"{job.cell.id} torch {torch.__version__}", every)


def _profile(ready: Ready, subject: Subject, record: Record) -> Later:
    def profile(store: Callable[[], None]) -> None:
        def note(profiles: tuple[InferenceProfile, ...]) -> None:
            record.profiled(profiles)
            store()

        begin = torch.get_num_threads()
        measure_inference(subject, ready.job.measure, note)
        if not record.outcome.context.threads_found:
            _note_threads(ready, (begin, torch.get_num_threads()), record)
        if not ready.job.cell.training:  # nothing else has used the device
            record.add(device_memory(ready.device))

    return profile


def _afterwards(ready: Ready, subject: Subject, record: Record) -> Later | None:
    """What comes after a training: the weights, and the inference profile."""
    job, profile = ready.job, _profile(ready, subject, record)
    if not (job.keep_model or job.measure.inference):
        return None

    def afterwards(store: Callable[[], None]) -> None:
        if job.keep_model and (lost := keep_model(ready, record.outcome.settings.head or "linear")):
            record.notify(lost)
        if job.measure.inference:
            profile(store)

    return afterwards
