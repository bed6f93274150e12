// typedoc plugin: what the sources say in ways of their own.
// - The sentence with which a file opens is the doc of its module or namespace.
// - Op functions that are constants of a function type, such as `exp`, are functions, not variables.
// - Tensor's methods come from types over the op functions, which typedoc takes for properties without comments: they
//   become methods, with the function's parameters (but the tensor) and the function's doc.

import { Comment, Context, Converter, ParameterReflection, ReflectionFlag, ReflectionKind } from "typedoc";

/** The parameter that one member of a rest tuple stands for. */
function parameterOf(member, signature, index) {
  const named = member.type === "namedTupleMember";
  const parameter = new ParameterReflection(
    named ? member.name : `arg${index}`,
    ReflectionKind.Parameter,
    signature,
  );
  const optional = named ? member.isOptional : member.type === "optional";
  parameter.type = named ? member.element : optional ? member.elementType : member;
  parameter.setFlag(ReflectionFlag.Optional, optional);
  return parameter;
}

/** Writes `(...rest: [dim: number, options?: O])` as `(dim: number, options?: O)`. */
function spreadRest(signature, project) {
  const [rest, ...others] = signature.parameters ?? [];
  if (others.length > 0 || rest?.type?.type !== "tuple") return;
  if (rest.type.elements.some((member) => member.type === "rest")) return;
  signature.parameters = rest.type.elements.map((member, i) => parameterOf(member, signature, i));
  for (const parameter of signature.parameters) project.registerReflection(parameter, undefined, undefined);
}

function toMethod(context, property) {
  if (property.kind !== ReflectionKind.Property || property.type?.type !== "reflection") return;
  const symbol = context.getSymbolFromReflection(property);
  const declaration = symbol?.declarations?.[0];
  const literal = property.type.declaration;
  if (declaration === undefined || literal.signatures === undefined || literal.children !== undefined) return;
  const fn = context.getSignatureComment(declaration);
  const comment = property.comment ?? fn;
  property.kind = ReflectionKind.Method;
  property.signatures = literal.signatures;
  delete property.type;
  delete property.comment;
  delete literal.signatures;
  context.project.removeReflection(literal);
  for (const signature of property.signatures) {
    signature.name = property.name;
    signature.parent = property;
    spreadRest(signature, context.project);
    signature.comment = comment?.clone();
  }
}

/** The comment at the top of the file of a module or namespace, as Markdown. */
function addHeader(context, module) {
  const declaration = context.getSymbolFromReflection(module)?.declarations?.[0];
  const header = /^(?:\/\/\/.*\n)*\/\*\*([\s\S]*?)\*\//.exec(declaration?.getSourceFile().text ?? "")?.[1];
  if (module.comment !== undefined || header === undefined) return;
  module.comment = new Comment([{ kind: "text", text: header.replaceAll(/^\s*\* ?/gm, "").trim() }]);
}

/** Marks constants with call signatures as functions, as the tag `@function` in their comments would. */
function constantsAsFunctions() {
  const { getComment } = Context.prototype;
  Context.prototype.getComment = function (symbol, kind) {
    const comment = getComment.call(this, symbol, kind);
    if (
      kind === ReflectionKind.Variable &&
      this.checker.getTypeOfSymbol(symbol).getCallSignatures().length > 0
    )
      comment?.modifierTags.add("@function");
    return comment;
  };
}

/** Called by typedoc with the application. */
export function load(app) {
  constantsAsFunctions();
  app.converter.on(Converter.EVENT_CREATE_DECLARATION, (context, reflection) => {
    if (reflection.kindOf(ReflectionKind.SomeModule)) addHeader(context, reflection);
    const owner = reflection.parent;
    if (owner?.kindOf(ReflectionKind.Class) && !reflection.flags.isStatic) toMethod(context, reflection);
  });
}
