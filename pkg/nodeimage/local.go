package nodeimage

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

// locals returns the modules that a module's go.mod replaces with folders, and those folders. They
// are built with the module.
func locals(dir string) (map[string]string, error) {
	mod, err := readMod(filepath.Join(dir, "go.mod"))
	if err != nil {
		return nil, err
	}
	list := map[string]string{}
	for _, r := range mod.Replace {
		if modfile.IsDirectoryPath(r.New.Path) {
			list[r.Old.Path] = filepath.Join(dir, filepath.FromSlash(r.New.Path))
		}
	}
	return list, nil
}

// hashLocals writes everything that a build of the module in dir reads of its local modules.
func hashLocals(w io.Writer, dir string) error {
	list, err := locals(dir)
	if err != nil {
		return err
	}
	for _, module := range slices.Sorted(maps.Keys(list)) {
		files, err := moduleFiles(list[module])
		if err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(files)) {
			fmt.Fprintf(w, "%s %s %d\n%s", module, name, len(files[name]), files[name])
		}
	}
	return nil
}

// moduleFiles returns the go.mod and the Go files of a module without the tests, by their paths in
// its folder.
func moduleFiles(dir string) (map[string][]byte, error) {
	files := map[string][]byte{}
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() != "go.mod" && !strings.HasSuffix(d.Name(), ".go") || isTest(d.Name()) {
			return err
		}
		name, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		files[filepath.ToSlash(name)], err = os.ReadFile(file)
		return err
	})
	return files, err
}

// copyModule adds a local module to files, below the folder of its name. From its go.mod, only the
// name is kept, because its requirements would raise the versions that the Kubernetes release is
// built with. mod is the derived go.mod of that release.
func copyModule(files map[string][]byte, module, dir string, mod []byte) error {
	copied, err := moduleFiles(dir)
	if err != nil {
		return err
	}
	main, err := modfile.Parse("go.mod", mod, nil)
	if err != nil {
		return err
	}
	copied["go.mod"] = fmt.Appendf(nil, "module %s\n\ngo %s\n", module, main.Go.Version)
	for name, data := range copied {
		files[path.Join(path.Base(module), name)] = data
	}
	return nil
}
