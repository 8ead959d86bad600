package kubeconfig

import (
	"os"
	"path/filepath"
	"slices"
)

// Paths returns the kubeconfig files in use, in order of precedence. If explicit (--kubeconfig) is
// set, it is only that file. Otherwise, it is the list in $KUBECONFIG without empty and repeated
// elements, or .kube/config in home if that list is empty. There is always at least one path. The
// files need not exist.
func Paths(explicit string, getenv func(string) string, home string) []string {
	if explicit != "" {
		return []string{explicit}
	}
	var paths []string
	for _, path := range filepath.SplitList(getenv("KUBECONFIG")) {
		if path != "" && !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}
	if len(paths) == 0 {
		return []string{filepath.Join(home, ".kube", "config")}
	}
	return paths
}

// defaultPath returns the file for new stanzas and for the current context: the first file that
// exists, otherwise the last one, as in clientcmd.PathOptions.GetDefaultFilename.
func defaultPath(paths []string) string {
	for _, path := range paths {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return paths[len(paths)-1]
}
