package provider

// Image is what an engine knows about one of its images.
type Image struct {
	// ID is the digest that identifies the image: that of its configuration, or that of its
	// manifest or index in an engine with containerd's image store.
	ID string
	// Tags lists the names with a tag, and Digests those with the digest of a registry.
	Tags, Digests []string
	// Platforms lists the platforms whose content the engine has, such as "linux/arm/v7". It is
	// empty if the engine does not tell.
	Platforms []string
	// Size is the approximate size of the image as an archive in bytes, or 0 if it is not known.
	Size int64
}
