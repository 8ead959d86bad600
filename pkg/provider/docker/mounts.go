package docker

import (
	"path"
	"slices"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// unmounted leaves out the files in whose place the user mounts one, such as a policy: the
// daemon cannot replace what is mounted, and the user's is what is meant to be there.
func unmounted(files []provider.File, mounts []config.Mount) []provider.File {
	return slices.DeleteFunc(slices.Clone(files), func(f provider.File) bool {
		return slices.ContainsFunc(mounts, func(m config.Mount) bool { return path.Clean(m.ContainerPath) == f.Path })
	})
}
