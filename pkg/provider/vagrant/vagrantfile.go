package vagrant

import (
	"bytes"
	_ "embed"
	"fmt"
	"strings"
	"text/template"
)

//go:embed Vagrantfile.tmpl
var vagrantfileText string

// vagrantfile is the Vagrantfile of the record's machines.
func (r record) vagrantfile() ([]byte, error) {
	t, err := template.New(vagrantfile).Funcs(template.FuncMap{"quote": ruby}).Parse(vagrantfileText)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, r); err != nil {
		return nil, fmt.Errorf("rendering %s: %w", vagrantfile, err)
	}
	return b.Bytes(), nil
}

// ruby is a text as Ruby reads it back: in single quotes only these two are special.
func ruby(s any) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(fmt.Sprint(s)) + "'"
}

// Primary reports whether plain "vagrant ssh" means this machine: the first one.
func (r record) Primary(i int) bool { return i == 0 }

// Libvirt reports whether the machines are libvirt's.
func (r record) Libvirt() bool { return r.Hypervisor == libvirt }
