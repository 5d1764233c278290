//! Tests of more than one part: scenarios on paused time, and the store on a model of its runtime.

// `.ci/model` runs it: shuttle takes long to build, and its thousands of schedules take long to run.
#[cfg(shuttle)]
mod model;
mod scenarios;
