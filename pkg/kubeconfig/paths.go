package kubeconfig

import (
	"os"
	"path/filepath"
	"slices"
)

// Paths are the kubeconfig files in effect, the first to win: explicit alone if
// not empty (--kubeconfig), else the list in $KUBECONFIG without its empty and
// repeated elements, else .kube/config in home. There is always at least one; none
// needs to exist.
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

// defaultPath is where new stanzas and the current context go: the first file that
// exists, else the last, as clientcmd.PathOptions.GetDefaultFilename has it.
func defaultPath(paths []string) string {
	for _, path := range paths {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return paths[len(paths)-1]
}
