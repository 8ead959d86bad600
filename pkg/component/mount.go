package component

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/names"
)

// A HostFile is a file of the node that a pod mounts at the same path. Volume is the name of its
// volume, which is unique in the pod.
type HostFile struct{ Volume, Path string }

// pkiFile matches a path in a flag, whose value may be a list such as "a.crt,a.key:name".
var pkiFile = regexp.MustCompile(names.PKIDir + "/[^,:]+")

// PKIFiles returns the files in names.PKIDir that arguments name, in alphabetical order. A pod
// mounts these files and not their folder, because the folder has keys of other components.
//
// If another file replaces a mounted one, the container keeps the old one until it restarts.
func PKIFiles(args []string) []HostFile {
	var paths []string
	for _, arg := range args {
		paths = append(paths, pkiFile.FindAllString(arg, -1)...)
	}
	slices.Sort(paths)
	var files []HostFile
	for i, path := range slices.Compact(paths) {
		files = append(files, HostFile{Volume: fmt.Sprintf("pki-%d", i+1), Path: path})
	}
	return files
}

// without returns the files that no volume of the user mounts already.
func without(files []HostFile, volumes []config.ExtraVolume) []HostFile {
	return slices.DeleteFunc(files, func(f HostFile) bool {
		return slices.ContainsFunc(volumes, func(v config.ExtraVolume) bool {
			return f.Path == v.MountPath || strings.HasPrefix(f.Path, strings.TrimSuffix(v.MountPath, "/")+"/")
		})
	})
}
