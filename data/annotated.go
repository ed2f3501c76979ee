package data

import (
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// An AnnotatedDatum is a record of SSD's databases: a Datum, and the objects in its
// image, in SSD's order, which is by groups of one label.
type AnnotatedDatum struct {
	Datum   Datum
	Boxes   bool // the record says that its annotations are boxes
	Objects []Object

	// Segments is an image file whose pixels are classes, nil if there is none. It is
	// a part of the record, which has the type "boxes and segments" of MobileNet-YOLO.
	Segments []byte
}

// An Object is something in an image: its class, its number among those of the class,
// and its box in fractions of the image's width and height. Difficult objects need not
// be found.
type Object struct {
	Label, Instance        int
	XMin, YMin, XMax, YMax float32
	Difficult              bool
}

// Field numbers of the messages AnnotatedDatum, AnnotationGroup, Annotation and
// NormalizedBBox.
const (
	annotatedDatum = 1
	annotatedType  = 2
	annotatedGroup = 3

	groupLabel      = 1
	groupAnnotation = 2

	annotationInstance = 1
	annotationBox      = 2

	boxDifficult = 6 // after xmin, ymin, xmax, ymax

	datumSegments = 8 // of MobileNet-YOLO
)

// Unmarshal reads a serialized AnnotatedDatum. Data of the datum become part of b, and
// d.Objects is reused.
func (d *AnnotatedDatum) Unmarshal(b []byte) error {
	d.Boxes, d.Objects, d.Segments = false, d.Objects[:0], nil
	var datum []byte
	segments := false
	err := eachField(b, func(number protowire.Number, value uint64, message []byte) error {
		switch {
		case number == annotatedDatum && message != nil:
			datum = message
		case number == annotatedType && value > 1:
			return fmt.Errorf("the annotations have type %d, want 0, which are boxes, or 1, boxes and a label image", value)
		case number == annotatedType:
			d.Boxes, segments = true, value == 1
		case number == annotatedGroup && message != nil:
			return d.group(message)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("not an AnnotatedDatum message: %w", err)
	}
	if segments {
		err := eachField(datum, func(number protowire.Number, _ uint64, message []byte) error {
			if number == datumSegments {
				d.Segments = message
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("not an AnnotatedDatum message: %w", err)
		}
	}
	return d.Datum.Unmarshal(datum)
}

// group reads an AnnotationGroup.
func (d *AnnotatedDatum) group(b []byte) error {
	first, label := len(d.Objects), 0
	err := eachField(b, func(number protowire.Number, value uint64, message []byte) error {
		switch {
		case number == groupLabel:
			label = int(int32(value))
		case number == groupAnnotation && message != nil:
			var o Object
			if err := o.annotation(message); err != nil {
				return err
			}
			d.Objects = append(d.Objects, o)
		}
		return nil
	})
	for i := range d.Objects[first:] {
		d.Objects[first+i].Label = label
	}
	return err
}

// annotation reads an Annotation.
func (o *Object) annotation(b []byte) error {
	return eachField(b, func(number protowire.Number, value uint64, message []byte) error {
		switch {
		case number == annotationInstance:
			o.Instance = int(int32(value))
		case number == annotationBox && message != nil:
			return eachField(message, func(number protowire.Number, value uint64, _ []byte) error {
				v := math.Float32frombits(uint32(value))
				switch number {
				case 1:
					o.XMin = v
				case 2:
					o.YMin = v
				case 3:
					o.XMax = v
				case 4:
					o.YMax = v
				case boxDifficult:
					o.Difficult = value != 0
				}
				return nil
			})
		}
		return nil
	})
}

// eachField calls f for each field of a message: with its value, or with its bytes,
// which are not nil, if it is a message or a string.
func eachField(b []byte, f func(number protowire.Number, value uint64, message []byte) error) error {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		var value uint64
		var message []byte
		switch kind {
		case protowire.VarintType:
			value, n = protowire.ConsumeVarint(b)
		case protowire.Fixed32Type:
			var bits uint32
			bits, n = protowire.ConsumeFixed32(b)
			value = uint64(bits)
		case protowire.BytesType:
			if message, n = protowire.ConsumeBytes(b); message == nil {
				message = []byte{}
			}
		default:
			n = protowire.ConsumeFieldValue(number, kind, b)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		if err := f(number, value, message); err != nil {
			return err
		}
	}
	return nil
}

// AppendAnnotated appends an AnnotatedDatum with boxes to b: datum is the serialized
// Datum, and objects of one label make a group, in the order of their first objects.
func AppendAnnotated(b, datum []byte, objects []Object) []byte {
	b = appendMessage(b, annotatedDatum, datum)
	b = protowire.AppendTag(b, annotatedType, protowire.VarintType)
	b = protowire.AppendVarint(b, 0)
	done := make(map[int]bool)
	for i, first := range objects {
		if done[first.Label] {
			continue
		}
		done[first.Label] = true
		group := protowire.AppendTag(nil, groupLabel, protowire.VarintType)
		group = protowire.AppendVarint(group, uint64(int64(first.Label)))
		for _, o := range objects[i:] {
			if o.Label == first.Label {
				group = appendMessage(group, groupAnnotation, o.marshal())
			}
		}
		b = appendMessage(b, annotatedGroup, group)
	}
	return b
}

// marshal returns the object as an Annotation.
func (o *Object) marshal() []byte {
	var box []byte
	for i, v := range []float32{o.XMin, o.YMin, o.XMax, o.YMax} {
		box = protowire.AppendTag(box, protowire.Number(i+1), protowire.Fixed32Type)
		box = protowire.AppendFixed32(box, math.Float32bits(v))
	}
	box = protowire.AppendTag(box, boxDifficult, protowire.VarintType)
	box = protowire.AppendVarint(box, protowire.EncodeBool(o.Difficult))
	b := protowire.AppendTag(nil, annotationInstance, protowire.VarintType)
	b = protowire.AppendVarint(b, uint64(int64(o.Instance)))
	return appendMessage(b, annotationBox, box)
}

func appendMessage(b []byte, number protowire.Number, message []byte) []byte {
	b = protowire.AppendTag(b, number, protowire.BytesType)
	return protowire.AppendBytes(b, message)
}
