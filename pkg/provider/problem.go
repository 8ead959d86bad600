package provider

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The names of the checks that find problems. They are written as kubeadm writes its own.
const (
	CheckProvider   = "Provider"   // what creates the nodes: engine, hypervisor, program
	CheckImage      = "Image"      // the node image or the bundle
	CheckConfig     = "Config"     // settings that the provider does not support
	CheckPort       = "Port"       // ports and addresses of the host
	CheckSubnet     = "Subnet"     // the cluster's own network, and addresses that pods and Services hide
	CheckMount      = "Mount"      // paths of the host
	CheckMemory     = "Memory"     // an estimate
	CheckDisk       = "Disk"       // an estimate
	CheckInotify    = "Inotify"    // an estimate
	CheckKubeconfig = "Kubeconfig" // the user's kubeconfig
)

// Checks lists the names of all checks. The caller may change the list.
func Checks() []string {
	return []string{
		CheckProvider, CheckImage, CheckConfig, CheckPort, CheckSubnet, CheckMount,
		CheckMemory, CheckDisk, CheckInotify, CheckKubeconfig,
	}
}

// A Problem is what a check found before anything was created.
type Problem struct {
	// Name is the name of the check, one of Checks.
	Name string
	// Warning is set if the cluster may come up in spite of the problem: the check is an estimate,
	// or only some clusters need what is missing.
	Warning bool
	// Err is one line with the cause and the next step.
	Err error
}

// Refuse returns the problems of a check that is certain: one for each of the joined errors, none
// if err is nil.
func Refuse(name string, err error) []Problem { return problems(name, false, err) }

// Warn returns the problems of a check that is an estimate, as Refuse does.
func Warn(name string, err error) []Problem { return problems(name, true, err) }

func problems(name string, warning bool, err error) []Problem {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []Problem{{Name: name, Warning: warning, Err: err}}
	}
	var list []Problem
	for _, one := range joined.Unwrap() {
		list = append(list, problems(name, warning, one)...)
	}
	return list
}

// IgnoreFlag is the flag with which a user ignores problems.
const IgnoreFlag = "ignore-preflight-errors"

// Ignored lists the checks that a user wants to ignore: their problems become warnings.
type Ignored struct {
	all   bool
	names []string
}

// ParseIgnored parses the values of IgnoreFlag: names of checks in any case, or "all". The error
// joins one error for each unknown name.
func ParseIgnored(values []string) (Ignored, error) {
	var ignored Ignored
	var errs []error
	for _, value := range values {
		value = strings.TrimSpace(value)
		known := slices.IndexFunc(Checks(), func(name string) bool { return strings.EqualFold(name, value) })
		switch {
		case value == "":
		case strings.EqualFold(value, "all"):
			ignored.all = true
		case known >= 0:
			ignored.names = append(ignored.names, Checks()[known])
		default:
			errs = append(errs, fmt.Errorf("--%s: unknown check %q: the checks are %s, and all", IgnoreFlag, value, strings.Join(Checks(), ", ")))
		}
	}
	return ignored, errors.Join(errs...)
}

func (i Ignored) has(name string) bool { return i.all || slices.Contains(i.names, name) }

// Sort divides problems into warnings and an error. The error joins all problems that are neither
// warnings nor ignored, each with the flag that ignores it.
func (i Ignored) Sort(problems []Problem) (warnings []string, err error) {
	var errs []error
	for _, p := range problems {
		switch {
		case p.Warning:
			warnings = append(warnings, p.Err.Error())
		case i.has(p.Name):
			warnings = append(warnings, fmt.Sprintf("ignored preflight error %s: %v", p.Name, p.Err))
		default:
			errs = append(errs, fmt.Errorf("%w (to ignore this: --%s=%s)", p.Err, IgnoreFlag, p.Name))
		}
	}
	return warnings, errors.Join(errs...)
}
