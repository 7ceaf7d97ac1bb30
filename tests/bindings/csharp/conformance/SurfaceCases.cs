using System;
using System.Collections.Generic;
using System.Linq;
using System.Reflection;
using LeoAM;
using static Fixture;

internal static class SurfaceCases
{
    private const BindingFlags Visible =
        BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static |
        BindingFlags.DeclaredOnly;

    [Case("nothing that is generated shows")]
    private static void Generated()
    {
        Type[] shown = typeof(Instance).Assembly.GetExportedTypes();
        Expect(shown.Length > 50);
        foreach (Type type in shown)
        {
            Same("LeoAM", type.Namespace);
            if (typeof(Delegate).IsAssignableFrom(type))
            {
                Expect(type.GetMethod("Invoke").GetParameters().All(p => p.ParameterType.IsVisible));
                continue;
            }
            foreach (MethodBase method in type.GetMethods(Visible).Cast<MethodBase>()
                .Concat(type.GetConstructors(Visible)))
            {
                if (!method.IsPublic && !method.IsFamily && !method.IsFamilyOrAssembly)
                {
                    continue;
                }
                IEnumerable<Type> types = method.GetParameters().Select(p => p.ParameterType);
                if (method is MethodInfo)
                {
                    types = types.Concat(new[] { ((MethodInfo)method).ReturnType });
                }
                foreach (Type used in types.SelectMany(Parts))
                {
                    Expect(used.IsVisible && !used.IsPointer && used != typeof(IntPtr), type + "." + method);
                }
            }
        }
    }

    [Case("what is held is disposable, and only the library makes it")]
    private static void Objects()
    {
        foreach (Type type in new[] { typeof(Model), typeof(Session), typeof(Request), typeof(CancelFlag) })
        {
            Expect(typeof(IDisposable).IsAssignableFrom(type) && type.IsSealed);
            Same(0, type.GetConstructors().Length);
        }
    }

    private static IEnumerable<Type> Parts(Type type)
    {
        if (type.IsArray || type.IsByRef)
        {
            return Parts(type.GetElementType());
        }
        IEnumerable<Type> arguments = type.IsGenericType ? type.GetGenericArguments() : Type.EmptyTypes;
        return new[] { type }.Concat(arguments.SelectMany(Parts));
    }
}
