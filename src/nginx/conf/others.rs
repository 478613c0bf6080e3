//! Directives of nginx's own modules that set the headers which this module passes: remains of the setup that it replaces.
//!
//! The structures of those modules are private. But their command tables give the offset of a directive's value, and the
//! public nginx setter that writes it, which determines its type. A directive with any other setter is ignored.

use std::rc::Rc;

use nginx_sys::{
    NGX_HTTP_LOC_CONF_OFFSET, NGX_HTTP_MODULE, ngx_array_t, ngx_command_t, ngx_conf_set_keyval_slot,
    ngx_conf_t, ngx_http_conf_ctx_t, ngx_http_upstream_param_set_slot, ngx_http_upstream_param_t,
    ngx_keyval_t, ngx_module_t, ngx_uint_t,
};

use super::place::Place;
use crate::nginx::ffi::request::bytes;
use crate::settings::advice::{Advice, is_left_over};

/// The directives, and the type of the elements that their setters create.
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
    /// `ngx_http_upstream_param_t`, by `ngx_http_upstream_param_set_slot`. Parameters named `HTTP_...` replace headers.
    Parameters,
}

impl Elements {
    /// The address of the setter that creates an array of these.
    fn setter(self) -> usize {
        match self {
            Self::Headers => ngx_conf_set_keyval_slot as *const () as usize,
            Self::Parameters => ngx_http_upstream_param_set_slot as *const () as usize,
        }
    }
}

/// Where a level's configuration stores the lines of a directive.
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
    /// Identifies the array; never dereferenced.
    array: *const ngx_array_t,
    /// The headers that the lines set to something else.
    left_over: Rc<[String]>,
    /// The block that contains them.
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

/// The lines of all the directives.
#[derive(Clone, Default)]
pub(super) struct Others(Vec<Lines>);

impl Others {
    /// The lines in force at the level that nginx is merging, which begins at `place`. As in nginx, a single line at a
    /// level replaces all those inherited from the outer level. The other modules come after this one and haven't merged
    /// their structures yet; if one had, this would find the array of the outer level.
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

/// Finds the directives in the command tables.
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
        // SAFETY: COMMANDS: the list of modules ends with a null pointer, and isn't read past it.
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
        // SAFETY: COMMANDS: the table ends with an empty name, and isn't read past it.
        let command = unsafe { table.add(place) };
        // SAFETY: as above.
        unsafe { command.as_ref() }
    });
    commands.take_while(|command| command.name.len > 0)
}

impl Slot {
    /// The array at the level that nginx is merging.
    fn array<'a>(&self, cf: &'a ngx_conf_t) -> Option<&'a ngx_array_t> {
        // SAFETY: CONF: within `http`, the context of a configuration has this type.
        let levels = unsafe { cf.ctx.cast::<ngx_http_conf_ctx_t>().as_ref() }?;
        // SAFETY: COMMANDS: a level's structures are indexed by the index of the module.
        let conf = unsafe { levels.loc_conf.add(self.ctx_index) };
        // SAFETY: as above.
        let conf = unsafe { conf.read() };
        if conf.is_null() {
            return None;
        }
        // SAFETY: COMMANDS: the table gives this offset to the setter, which stores a pointer to an array there.
        let array = unsafe { conf.byte_add(self.offset) }.cast::<*const ngx_array_t>();
        // SAFETY: as above.
        let array = unsafe { array.read() };
        if array.addr() == usize::MAX {
            // NGX_CONF_UNSET_PTR, which the setter checks for as well.
            return None;
        }
        // SAFETY: COMMANDS: null, or the array that the setter created.
        unsafe { array.as_ref() }
    }

    fn read(&self, array: &ngx_array_t, place: Option<&Place>) -> Lines {
        let left_over = match self.elements {
            Elements::Headers => {
                // SAFETY: COMMANDS: the setter creates arrays of this type.
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
