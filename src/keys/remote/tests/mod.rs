//! Tests of more than one part: the schedule event by event, scenarios on paused time, and the store on a model of its runtime.

mod model;
mod scenarios;
