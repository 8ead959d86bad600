package docker

import (
	"path"
	"slices"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// unmounted leaves out the files at paths at which the user mounts a file, such as a policy. The
// daemon cannot replace a mounted file, and the user's file takes precedence.
func unmounted(files []provider.File, mounts []config.Mount) []provider.File {
	return slices.DeleteFunc(slices.Clone(files), func(f provider.File) bool {
		return slices.ContainsFunc(mounts, func(m config.Mount) bool { return path.Clean(m.ContainerPath) == f.Path })
	})
}
