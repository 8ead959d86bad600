package nodeimage

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"testing"
)

// makeELF returns a program for a dynamic linker, or a library if the interpreter is empty. It
// contains no code, only the names of the libraries that it needs.
func makeELF(t *testing.T, interpreter string, libraries ...string) []byte {
	t.Helper()
	// The string table, and then the dynamic section: an entry per library, and zeros at the end.
	names := []byte{0}
	var dynamic bytes.Buffer
	write := func(to *bytes.Buffer, v any) {
		if err := binary.Write(to, binary.LittleEndian, v); err != nil {
			t.Fatal(err)
		}
	}
	for _, library := range libraries {
		write(&dynamic, elf.Dyn64{Tag: int64(elf.DT_NEEDED), Val: uint64(len(names))})
		names = append(append(names, library...), 0)
	}
	write(&dynamic, elf.Dyn64{})
	interp := append([]byte(interpreter), 0)

	const header, program, section = 64, 56, 64
	at := uint64(header + program)
	interpAt, namesAt := at, at+uint64(len(interp))
	dynamicAt := namesAt + uint64(len(names))
	sectionsAt := dynamicAt + uint64(dynamic.Len())

	h := elf.Header64{
		Type: uint16(elf.ET_DYN), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT),
		Phoff: header, Shoff: sectionsAt, Ehsize: header, Phentsize: program, Phnum: 1, Shentsize: section, Shnum: 3, Shstrndx: 1,
	}
	copy(h.Ident[:], elf.ELFMAG)
	h.Ident[elf.EI_CLASS], h.Ident[elf.EI_DATA], h.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)
	p := elf.Prog64{Type: uint32(elf.PT_INTERP), Off: interpAt, Filesz: uint64(len(interp))}
	if interpreter == "" {
		p.Type = uint32(elf.PT_NULL)
	}
	var out bytes.Buffer
	write(&out, h)
	write(&out, p)
	out.Write(interp)
	out.Write(names)
	out.Write(dynamic.Bytes())
	write(&out, elf.Section64{})
	write(&out, elf.Section64{Type: uint32(elf.SHT_STRTAB), Off: namesAt, Size: uint64(len(names))})
	write(&out, elf.Section64{Type: uint32(elf.SHT_DYNAMIC), Off: dynamicAt, Size: uint64(dynamic.Len()), Link: 1, Entsize: 16})
	return out.Bytes()
}
