//! A command of `core.Exec`: what its inputs say, run by the SDK.

use crate::interface::exec::Inputs;
use dtm_plugin::process::{Ended, Program, RunError};
use dtm_plugin::{Ctx, Failure};

/// Runs the command of a verb to its end.
///
/// # Errors
/// When it cannot be run. How it ended is not an error.
pub(crate) fn run(ctx: &Ctx, inputs: &Inputs, args: &[String], verb: &str) -> Result<Ended, Failure> {
    let Some((program, args)) = args.split_first() else {
        return Err(Failure::clean(format!("`{verb}` names no program")).input(verb));
    };
    let env = inputs.env.iter().map(|(name, value)| (name, &value.0));
    let program = Program::new(program)
        .args(args)
        .dir(inputs.dir.as_deref().unwrap_or("."))
        .envs(env)
        .stdin(inputs.stdin.as_ref().map(|stdin| stdin.0.clone()).unwrap_or_default())
        .with_progress();
    program.run(ctx).map_err(|e| {
        let input = if matches!(e, RunError::NoFolder(_)) { "dir" } else { verb };
        e.failure(&ctx.op).input(input)
    })
}

/// What happened, with the end of what it wrote.
pub(crate) fn describe(ended: &Ended, args: &[String], verb: &str) -> String {
    let program = args.first().map(String::as_str).unwrap_or_default();
    format!("the command of `{verb}`, `{program}`, {}", ended.describe())
}
