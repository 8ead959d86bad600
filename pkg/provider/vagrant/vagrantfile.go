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

// vagrantfile renders the Vagrantfile of the record's machines.
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

// ruby returns a Ruby string literal. In single quotes, only the backslash and the single quote are
// special.
func ruby(s any) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(fmt.Sprint(s)) + "'"
}

// Primary reports whether the i-th machine is the one of plain "vagrant ssh": the first one.
func (r record) Primary(i int) bool { return i == 0 }

// Libvirt reports whether the hypervisor is libvirt.
func (r record) Libvirt() bool { return r.Hypervisor == libvirt }
