//! What asks a registry: pulling, and looking before that.

use std::sync::Arc;

use containerv_spec::image::{Descriptor, Platform, Reference};

use super::fit::{best, judge};
use super::pull::{self, Machine, Offer, Source, is_for};
use super::{Answer, Fit, Image, Images, PullOptions, PullPolicy, parse_reference};
use crate::{Error, ErrorKind, Result};

impl Images {
    /// Pulls an image from its registry: what is missing of it is downloaded, verified and unpacked. A pull that
    /// was broken off, however that came, is gone on with; two of one image at the same time, in any processes,
    /// do the work once.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is none, or none for the platform; what the registry or this machine said.
    pub fn pull(&self, name: &str, options: &PullOptions) -> Result<Image> {
        let reference = parse_reference(name)?;
        if options.policy != PullPolicy::Always
            && let Some(image) = self.stored(&reference, options)?
        {
            return Ok(image);
        }
        if options.policy == PullPolicy::Never {
            let message = format!("no image `{}`, and no registry may be asked", reference.familiar());
            return Err(Error::new(ErrorKind::NotFound, message)
                .with_hint(format!("`cv pull {}` gets it", reference.familiar())));
        }
        self.prepare()?;
        let (client, machine) = (self.client(), self.machine());
        let chosen = pull::choose(&client, &machine, &reference, options)?;
        pull::bring(&self.store, &client, &machine, &reference, options, chosen)
            .map_err(|error| error.context(format!("cannot pull `{}`", reference.familiar())))
    }

    /// Asks a registry which tags a repository has; `name` is a reference with any tag, or without.
    ///
    /// # Errors
    ///
    /// `NotFound`, and what else the registry says.
    pub fn tags(&self, name: &str) -> Result<Vec<Reference>> {
        let reference = parse_reference(name)?;
        let tags = self.client().tags(&reference)?;
        let named = |tag: &String| {
            reference.with_tag(tag).map_err(|error| {
                Error::new(ErrorKind::Corrupt, format!("the registry has the tag `{tag}`: {error}"))
                    .with_hint("the registry is broken; name the tags one by one")
            })
        };
        tags.iter().map(named).collect()
    }

    /// The stored image of a reference, if it is whole and for the platform.
    fn stored(&self, reference: &Reference, options: &PullOptions) -> Result<Option<Image>> {
        let Some(record) = self.record_of(reference)? else { return Ok(None) };
        let lease = self.store.lease()?;
        lease.add_image(&self.store, &record)?;
        let machine = self.machine();
        let image = match Image::open(&self.store, record, Arc::new(lease)) {
            Ok(image) if image.is_complete() => image,
            // It is brought again.
            _ => return Ok(None),
        };
        let fits = match &options.platform {
            Some(wanted) => is_for(&image.platform(), wanted),
            None => {
                options.policy == PullPolicy::Never
                    || judge(&image.platform(), &machine.platform, machine.build).fit != Fit::No
            }
        };
        Ok(Some(image).filter(|_| fits))
    }

    /// Tells whether an image fits this machine, before a byte of a layer is downloaded. `platform` is another
    /// one than this machine's.
    ///
    /// # Errors
    ///
    /// As [`Images::pull`]; an image that does not fit is an answer.
    pub fn check(&self, name: &str, platform: Option<&Platform>) -> Result<Answer> {
        let reference = parse_reference(name)?;
        self.check_at(&self.client(), &reference, platform)
    }

    fn check_at(
        &self,
        source: &dyn Source,
        reference: &Reference,
        wanted: Option<&Platform>,
    ) -> Result<Answer> {
        let machine = self.machine();
        let offer = Offer::of(source, reference)?;
        let (digest, offered) = (offer.digest().clone(), offer.platforms());
        let better = best(&offered, &machine.platform, machine.build);
        let suggest = |platform: &Platform| format!("`--platform {platform}` would run here");
        let answer = Answer {
            reference: reference.clone(),
            digest,
            platform: None,
            fit: Fit::No,
            reason: String::new(),
            hint: None,
            offered: offered.clone(),
            size: 0,
            missing: 0,
        };
        match offer.choose(source, &machine, reference, wanted)? {
            Err(offer) => {
                let offered = offer.platforms();
                let asked = wanted.unwrap_or(&machine.platform);
                let build =
                    machine.build.map_or(String::new(), |build| format!(" of build {build} or before"));
                let reason = format!("it has no image for {asked}{build}");
                let better = best(&offered, &machine.platform, machine.build);
                Ok(Answer { reason, hint: better.map(suggest), offered: offered.clone(), ..answer })
            }
            Ok(chosen) => {
                let platform = chosen.config.platform();
                let judgement = judge(&platform, &machine.platform, machine.build);
                let elsewhere = better
                    .filter(|better| judge(better, &machine.platform, machine.build).fit > judgement.fit);
                let layers = &chosen.manifest.layers;
                let size = |layers: &[&Descriptor]| layers.iter().map(|layer| layer.size).sum();
                let missing: Vec<&Descriptor> =
                    layers.iter().filter(|layer| self.store.blob(&layer.digest).is_none()).collect();
                Ok(Answer {
                    platform: Some(platform),
                    fit: judgement.fit,
                    reason: judgement.reason,
                    hint: elsewhere.map(suggest),
                    size: size(&layers.iter().collect::<Vec<_>>()),
                    missing: size(&missing),
                    ..answer
                })
            }
        }
    }

    pub(super) fn machine(&self) -> Machine<'_> {
        let system = &*self.host.system;
        Machine { system, platform: super::own_platform(), build: system.windows_build() }
    }
}

impl Source for super::registry::Client {
    fn resolve(&self, reference: &Reference) -> Result<(Descriptor, Vec<u8>)> {
        self.resolve(reference).map(|fetched| (fetched.descriptor, fetched.bytes))
    }

    fn manifest(&self, reference: &Reference, descriptor: &Descriptor) -> Result<Vec<u8>> {
        self.manifest(reference, descriptor).map(|fetched| fetched.bytes)
    }

    fn blob(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
        offset: u64,
    ) -> Result<Box<dyn std::io::Read + Send + '_>> {
        Ok(Box::new(self.blob(reference, descriptor, offset)?))
    }
}
