//! Lines of nginx's own modules that set the headers which this module passes: what is left of the set-up that it replaces.
//!
//! The structures of those modules are private. But their command tables say where in them the value of a directive lies, and
//! which of nginx's public setters writes it there; so what lies there is known without a guess. A directive with another
//! setter isn't looked at.

use std::rc::Rc;

use nginx_sys::{
    NGX_HTTP_LOC_CONF_OFFSET, NGX_HTTP_MODULE, ngx_array_t, ngx_command_t, ngx_conf_set_keyval_slot,
    ngx_conf_t, ngx_http_conf_ctx_t, ngx_http_upstream_param_set_slot, ngx_http_upstream_param_t,
    ngx_keyval_t, ngx_module_t, ngx_uint_t,
};

use super::place::Place;
use crate::nginx::ffi::request::bytes;
use crate::settings::advice::{Advice, is_left_over};

/// The directives, and what their setters make.
const DIRECTIVES: [(&str, Elements); 5] = [
    ("proxy_set_header", Elements::Headers),
    ("grpc_set_header", Elements::Headers),
    ("fastcgi_param", Elements::Parameters),
    ("uwsgi_param", Elements::Parameters),
    ("scgi_param", Elements::Parameters),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Elements {
    /// `ngx_keyval_t`, by `ngx_conf_set_keyval_slot`.
    Headers,
    /// `ngx_http_upstream_param_t`, by `ngx_http_upstream_param_set_slot`. `HTTP_...` among them take the place of headers.
    Parameters,
}

impl Elements {
    /// The address of the setter that writes an array of these.
    fn setter(self) -> usize {
        match self {
            Self::Headers => ngx_conf_set_keyval_slot as *const () as usize,
            Self::Parameters => ngx_http_upstream_param_set_slot as *const () as usize,
        }
    }
}

/// Where the lines of a directive are in a level's configuration.
pub(super) struct Slot {
    directive: &'static str,
    elements: Elements,
    ctx_index: ngx_uint_t,
    offset: ngx_uint_t,
}

/// The lines of a directive that are in force at a level.
#[derive(Clone)]
pub(super) struct Lines {
    directive: &'static str,
    /// Names the array, and is never looked at.
    array: *const ngx_array_t,
    /// The headers that they put something else into.
    left_over: Rc<[String]>,
    /// The block that they stand in.
    place: Option<Place>,
}

impl Lines {
    pub(super) fn advice(&self) -> Advice<'_> {
        Advice::LeftOver(self.directive, &self.left_over)
    }

    pub(super) fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }
}

/// The lines of all of the directives.
#[derive(Clone, Default)]
pub(super) struct Others(Vec<Lines>);

impl Others {
    /// Those in force at the level that nginx merges, which begins at `place`. As in nginx one line there stands for all of the outer
    /// level's. Those modules come after this one, and haven't merged theirs yet; if they had, it would be the outer level's array.
    #[must_use]
    pub(super) fn at_level(cf: &ngx_conf_t, slots: &[Slot], outer: &Self, place: Option<&Place>) -> Self {
        let lines = slots.iter().filter_map(|slot| {
            let inherited = outer.0.iter().find(|lines| lines.directive == slot.directive);
            let own =
                slot.array(cf).filter(|own| inherited.is_none_or(|lines| !std::ptr::eq(lines.array, *own)));
            own.map(|own| slot.read(own, place)).or_else(|| inherited.cloned())
        });
        Self(lines.collect())
    }

    pub(super) fn left_over(&self) -> impl Iterator<Item = &Lines> {
        self.0.iter().filter(|lines| !lines.left_over.is_empty())
    }
}

/// Looks the directives up in the command tables.
#[must_use]
pub(super) fn slots(cf: &ngx_conf_t) -> Vec<Slot> {
    let found = DIRECTIVES.iter().filter_map(|(directive, elements)| {
        modules(cf).filter(|module| module.type_ == NGX_HTTP_MODULE as ngx_uint_t).find_map(|module| {
            let command = commands(module).find(|command| bytes(&command.name) == directive.as_bytes())?;
            let set = command.set.map(|set| set as *const () as usize);
            let is_known = set == Some(elements.setter()) && command.conf == NGX_HTTP_LOC_CONF_OFFSET;
            let (ctx_index, offset) = (module.ctx_index, command.offset);
            is_known.then_some(Slot { directive, elements: *elements, ctx_index, offset })
        })
    });
    found.collect()
}

pub(super) fn modules(cf: &ngx_conf_t) -> impl Iterator<Item = &ngx_module_t> {
    // SAFETY: CONF: a configuration belongs to a cycle.
    let modules = unsafe { (*cf.cycle).modules };
    (0..).map_while(move |place| {
        // SAFETY: COMMANDS: the list of modules ends with a null, and isn't looked at past it.
        let module = unsafe { modules.add(place) };
        // SAFETY: as above.
        let module = unsafe { module.read() };
        // SAFETY: as above.
        unsafe { module.as_ref() }
    })
}

pub(super) fn commands(module: &ngx_module_t) -> impl Iterator<Item = &ngx_command_t> {
    let table = module.commands;
    let places = if table.is_null() { 0..0 } else { 0..usize::MAX };
    let commands = places.map_while(move |place| {
        // SAFETY: COMMANDS: the table ends with an empty name, and isn't looked at past it.
        let command = unsafe { table.add(place) };
        // SAFETY: as above.
        unsafe { command.as_ref() }
    });
    commands.take_while(|command| command.name.len > 0)
}

impl Slot {
    /// What is written at the level that nginx merges.
    fn array<'a>(&self, cf: &'a ngx_conf_t) -> Option<&'a ngx_array_t> {
        // SAFETY: CONF: in `http` a configuration's context is this.
        let levels = unsafe { cf.ctx.cast::<ngx_http_conf_ctx_t>().as_ref() }?;
        // SAFETY: COMMANDS: the level's structures are found by the index of their module.
        let conf = unsafe { levels.loc_conf.add(self.ctx_index) };
        // SAFETY: as above.
        let conf = unsafe { conf.read() };
        if conf.is_null() {
            return None;
        }
        // SAFETY: COMMANDS: the table has the offset for the setter, which takes what is there for a pointer to an array.
        let array = unsafe { conf.byte_add(self.offset) }.cast::<*const ngx_array_t>();
        // SAFETY: as above.
        let array = unsafe { array.read() };
        if array.addr() == usize::MAX {
            // NGX_CONF_UNSET_PTR, which the setter knows as well.
            return None;
        }
        // SAFETY: COMMANDS: null, or the array that the setter made.
        unsafe { array.as_ref() }
    }

    fn read(&self, array: &ngx_array_t, place: Option<&Place>) -> Lines {
        let left_over = match self.elements {
            Elements::Headers => {
                // SAFETY: COMMANDS: the setter makes arrays of these.
                let lines = unsafe { array.as_slice::<ngx_keyval_t>() };
                let is_one = |line: &&ngx_keyval_t| is_left_over(bytes(&line.key), bytes(&line.value));
                lines.iter().filter(is_one).map(|line| line.key.to_string()).collect()
            }
            Elements::Parameters => {
                // SAFETY: COMMANDS: as above.
                let lines = unsafe { array.as_slice::<ngx_http_upstream_param_t>() };
                let is_one = |line: &&ngx_http_upstream_param_t| {
                    let header = bytes(&line.key).strip_prefix(b"HTTP_");
                    header.is_some_and(|header| is_left_over(header, bytes(&line.value)))
                };
                lines.iter().filter(is_one).map(|line| line.key.to_string()).collect()
            }
        };
        Lines { directive: self.directive, array, left_over, place: place.cloned() }
    }
}
